/** Which release of the price table is in use; apart from pricing.ts, which loads the table itself. */

/** The release of the table, for showing. A test compares the version with package.json. */
export const PRICE_TABLE = { name: '@pydantic/genai-prices', version: '0.1.8', date: '2026-09-23' } as const;
