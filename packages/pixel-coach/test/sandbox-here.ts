/** The real sandbox of this machine, and why a test cannot use one. */
import { createBubblewrap, type Sandbox } from '../src/index.ts';

export const sandbox: Sandbox = createBubblewrap();
const { usable, reason } = await sandbox.availability();

/** For `describe(..., { skip })`. Where the sandbox should be there (REQUIRE_SANDBOX=1), its absence is a failure. */
export const skip: string | false = usable || process.env.REQUIRE_SANDBOX ? false : `no bubblewrap: ${reason}`;
