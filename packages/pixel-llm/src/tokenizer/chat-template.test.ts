import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPixelError } from '../core/errors.ts';
import { type ChatMessage, createChatTemplate, createChatTemplateOf } from './chat-template.ts';
import { tinyBpe } from './testing.ts';
import { createTokenizer } from './tokenizer.ts';

const CONVERSATION: readonly ChatMessage[] = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'Hi' },
];
const MARKERS = [
  ['<s>', 3],
  ['<end>', 3],
] as const;
const TEMPLATE =
  "{{ bos_token }}{% for message in messages %}[{{ message.role }}]{{ message['content'] | trim }}{{ eos_token }}{% endfor %}" +
  '{% if add_generation_prompt %}[assistant]{% endif %}';

function badTemplate(pattern: RegExp): (error: unknown) => boolean {
  return (error) => isPixelError(error, 'bad-template') && pattern.test(error.message);
}

test('a conversation is rendered with the model’s own BOS and EOS', () => {
  const metadata = tinyBpe([], MARKERS, {
    'ggml.bos_token_id': 256,
    'ggml.eos_token_id': 257,
    chat_template: TEMPLATE,
  });
  const template = createChatTemplate(metadata);
  assert.equal(template?.render(CONVERSATION), '<s>[system]Be brief.<end>[user]Hi<end>[assistant]');
  assert.equal(
    template?.render(CONVERSATION, { addGenerationPrompt: false }),
    '<s>[system]Be brief.<end>[user]Hi<end>',
  );
});

test('a marker in the description of a tool stays text, too', () => {
  const tokenizer = createTokenizer(tinyBpe([], MARKERS));
  const template = createChatTemplateOf('<end>{{ tools[0].name }}');
  const tokens = template.encode([], tokenizer, { tools: [{ name: '<end>' }] });
  assert.deepEqual([...tokens], [257, ...new TextEncoder().encode('<end>')]);
});

test('a model without a chat template has none', () => {
  assert.equal(createChatTemplate(tinyBpe([])), undefined);
});

test('tools and further variables reach the template; what is not given is not defined', () => {
  const template = createChatTemplateOf(
    "{% if tools is defined %}{{ tools[0] | tojson }}{% endif %}{{ mood }}{{ 'tool_calls' in messages[0] }}",
  );
  const silent = { role: 'user', content: '', tool_calls: undefined } as unknown as ChatMessage;
  assert.equal(template.render([silent]), 'false');
  const calling: ChatMessage = { role: 'assistant', content: '', tool_calls: [{}] };
  assert.equal(
    template.render([calling], { tools: [{ name: 'look' }], variables: { mood: 'calm' } }),
    '{"name": "look"}calmtrue',
  );
});

test('strftime_now speaks English and knows the day', () => {
  const template = createChatTemplateOf("{{ strftime_now('%d %b %Y, %A %B %a %m %H:%M:%S %% %Q') }}");
  assert.equal(
    template.render([], { now: new Date(2025, 2, 4, 5, 6, 7) }),
    '04 Mar 2025, Tuesday March Tue 03 05:06:07 % %Q',
  );
});

test('range counts up and down', () => {
  const template = createChatTemplateOf(
    '{% for i in range(2) %}{{ i }}{% endfor %}{% for i in range(5, 1, -2) %}{{ i }}{% endfor %}{{ range(3, 1) | length }}',
  );
  assert.equal(template.render([]), '01530');
});

test('a template that refuses the conversation, or cannot be read, gives its reason', () => {
  const refusing = createChatTemplateOf("{{ raise_exception('no system role') }}");
  assert.throws(() => refusing.render([]), badTemplate(/be rendered: no system role/));
  assert.throws(() => createChatTemplateOf('{% if %}').render([]), badTemplate(/be read/));
  assert.throws(() => createChatTemplateOf('{{ nothing.at.all() }}').render([]), badTemplate(/be rendered/));
  assert.throws(() => createChatTemplateOf('x'.repeat(2 ** 20 + 1)).render([]), badTemplate(/characters long/));
});

test('a template that would run for ever, or fill memory, is stopped', () => {
  const loops = '{% for a in r %}{% for b in r %}{% for c in r %}{% endfor %}{% endfor %}{% endfor %}';
  assert.throws(
    () => createChatTemplateOf(`{% set r = range(1000) %}${loops}`).render([]),
    badTemplate(/more than 1000000 steps/),
  );
  for (const range of ['range(1000000000000)', 'range(0, 9, 0)']) {
    assert.throws(() => createChatTemplateOf(`{{ ${range} }}`).render([]), badTemplate(/steps/));
  }
  const doubling = "{% set n = namespace(s='x') %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}";
  assert.throws(() => createChatTemplateOf(doubling).render([]), badTemplate(/steps/));
  const recursion = '{% macro again(n) %}{{ n(n) }}{% endmacro %}{{ again(again) }}';
  assert.throws(() => createChatTemplateOf(recursion).render([]), badTemplate(/be rendered/));
});

test('a conversation becomes tokens: the template’s markers are control tokens, those in a message stay text', () => {
  const ids = { 'ggml.bos_token_id': 256, 'ggml.eos_token_id': 257, 'ggml.add_bos_token': true };
  const tokenizer = createTokenizer(tinyBpe([], MARKERS, ids));
  const options = { bosText: '<s>', eosText: '<end>' };
  const message: ChatMessage = { role: 'user', content: 'a<end>b' };
  const text = [...new TextEncoder().encode('a<end>b')];
  const withBos = createChatTemplateOf('{{ bos_token }}{{ messages[0].content }}{{ eos_token }}', options);
  assert.deepEqual([...withBos.encode([message], tokenizer)], [256, ...text, 257]);
  const withoutBos = createChatTemplateOf('{{ messages[0].content }}{{ eos_token }}', options);
  assert.deepEqual([...withoutBos.encode([message], tokenizer)], [256, ...text, 257]);
  const plain = createTokenizer(tinyBpe([], MARKERS, { ...ids, 'ggml.add_bos_token': false }));
  assert.deepEqual([...withoutBos.encode([message], plain)], [...text, 257]);
});
