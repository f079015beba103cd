import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import type { CoachConfig } from '../config/config.ts';
import { parseConfig } from '../config/load-config.ts';
import { isCoachError } from '../core/errors.ts';
import { amountOfDollars } from '../core/money.ts';
import { PRICE_TABLE } from '../money/price-table.ts';
import { createAgents } from './create-agents.ts';
import { type AgentPrices, createPriceList } from './price-list.ts';
import type { Agent } from './types.ts';

const AT_PRESENT = new Date('2026-11-25T12:00:00Z');
const NEXT_YEAR = new Date('2027-01-02T00:00:00Z');
const GEMINI = { kind: 'gemini' };
const MILLION = { inputTokens: 1_000_000, outputTokens: 1_000_000, cachedTokens: 0, reasoningTokens: 0 };

describe('Prices', () => {
  test('come from the release of the table that package.json pins', () => {
    const facts = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    assert.equal(facts.dependencies[PRICE_TABLE.name], PRICE_TABLE.version);
    assert.match(PRICE_TABLE.date, /^\d{4}-\d{2}-\d{2}$/);
  });

  test("Gemini's change with the year", () => {
    const { prices, agent } = priced(GEMINI);
    assert.equal(prices.cost(agent, agent.model, MILLION), amountOfDollars(0.75 + 3.75));
    const later = priced(GEMINI, {}, NEXT_YEAR);
    assert.equal(later.prices.cost(later.agent, agent.model, MILLION), amountOfDollars(1.5 + 7.5));
    const source = `@pydantic/genai-prices of ${PRICE_TABLE.date}: google gemini-3.8-flash`;
    assert.equal(prices.pricingOf('a')?.source, source);
  });

  test('are exact to the token: cached input is cheaper, thinking is output', () => {
    const { prices, agent } = priced(GEMINI);
    const usage = { inputTokens: 1234, cachedTokens: 1000, outputTokens: 77, reasoningTokens: 70 };
    assert.equal(prices.cost(agent, agent.model, usage), 234 * 750 + 1000 * 75 + 77 * 3750);
  });

  test('a reservation is never less than what any answer within it costs', () => {
    const { prices, agent } = priced(GEMINI);
    const prompt = 'ünï'.repeat(1000);
    const reserved = prices.reservation(agent, agent.countTokens(prompt), 8192);
    const worst = {
      inputTokens: Buffer.byteLength(prompt),
      outputTokens: 8192,
      cachedTokens: 0,
      reasoningTokens: 8000,
    };
    assert.ok(prices.cost(agent, agent.model, worst) <= reserved);
  });

  test("an agent's own price wins over its model's, and that over the table", () => {
    const byModel = priced(GEMINI, { 'gemini-3.8-flash': { input: 1, output: 2, cachedInput: 0.1 } });
    assert.equal(byModel.prices.cost(byModel.agent, '', MILLION), amountOfDollars(3));
    assert.equal(byModel.prices.cost(byModel.agent, '', { ...MILLION, cachedTokens: 1_000_000 }), amountOfDollars(2.1));
    const own = priced({ ...GEMINI, price: { perCall: 0.02 } }, { 'gemini-3.8-flash': 'free' });
    assert.equal(own.prices.cost(own.agent, '', MILLION), amountOfDollars(0.02));
    assert.equal(own.agent.paid, true);
  });

  test('nothing is paid for what runs on this machine', () => {
    for (const settings of [
      { kind: 'openai-compatible', baseUrl: 'http://127.0.0.1:11434/v1', model: 'qwen' },
      { kind: 'openai-compatible', baseUrl: 'http://localhost:8080/v1', model: 'qwen' },
      { kind: 'openai-compatible', baseUrl: 'http://[::1]:8080/v1', model: 'qwen' },
      { kind: 'pixel-llm', model: 'a.pxi.png' },
      { kind: 'human' },
    ]) {
      const { prices, agent } = priced(settings);
      assert.equal(prices.cost(agent, '', MILLION), 0);
      assert.equal(agent.paid, false);
    }
  });

  test('a model nobody knows the price of is refused until one is given, on whatever server it runs', () => {
    for (const settings of [
      { kind: 'openai-compatible', baseUrl: 'https://api.example.com/v1', model: 'secret-9' },
      { kind: 'openai-compatible', baseUrl: 'http://192.168.1.20:8000/v1', model: 'qwen' },
      { kind: 'openai-compatible', baseUrl: 'http://localhost.example.com/v1', model: 'qwen' },
      { kind: 'gemini', model: 'gemma-unheard-of' },
      { kind: 'command', command: ['claude', '-p'] },
    ]) {
      const { prices, agent } = priced(settings);
      assert.equal(agent.paid, true);
      assert.throws(
        () => prices.reservation(agent, 10, 10),
        (error) => isCoachError(error, 'unknown-price') && /"price": \{"input"/.test(error.message),
      );
      const given = priced({ ...settings, price: 'free' });
      assert.equal(given.prices.reservation(given.agent, 10, 10), 0);
    }
  });

  test('a paid service is found by its address', () => {
    const settings = { kind: 'openai-compatible', baseUrl: 'https://api.openai.com/v1', model: 'gpt-4o-mini' };
    const { prices, agent } = priced(settings);
    assert.equal(prices.cost(agent, '', MILLION), amountOfDollars(0.15 + 0.6));
  });
});

function priced(
  settings: object,
  prices: CoachConfig['prices'] = {},
  at: Date = AT_PRESENT,
): { prices: AgentPrices; agent: Agent } {
  const config = parseConfig(JSON.stringify({ agents: { a: settings }, prices }), 'test');
  const agent = createAgents(config, { folder: '/', environment: {} }).get('a');
  assert.ok(agent);
  return { prices: createPriceList(config, { now: () => at }), agent };
}
