// The layers of packages/pixel-llm/src, first to last: a file may import from its own folder and from folders before it.
// dependency-cruiser enforces this, and that there are no cycles, on every `npm test`.
const layers = [
  'core',
  'png',
  'gguf',
  'pxi',
  'download',
  'map',
  'tokenizer',
  'program',
  'backends',
  'engine',
  'browser',
  'train',
  'server',
  'cli',
];
const source = '^packages/pixel-llm/src/';

const layerRules = layers.map((layer, index) => ({
  name: `layer-${layer}`,
  comment: `${layer}/ may only import from: ${layers.slice(0, index + 1).join(', ')}`,
  severity: 'error',
  from: { path: `${source}${layer}/`, pathNot: layer === 'cli' ? '\\.test\\.ts$|cli/' : '\\.test\\.ts$' },
  to: { path: `${source}(${[...layers.slice(index + 1), '(index|node)\\.ts'].join('|')})` },
}));

// The layers of packages/pixel-coach/src, under the same rule. All of it runs in Node.
const coachLayers = [
  'core',
  'store',
  'roadmap',
  'config',
  'money',
  'agents',
  'sandbox',
  'workspace',
  'proof',
  'loop',
  'logs',
  'report',
  'dashboard',
  'cli',
];
const coachSource = '^packages/pixel-coach/src/';

const coachRules = coachLayers.map((layer, index) => ({
  name: `coach-layer-${layer}`,
  comment: `${layer}/ may only import from: ${coachLayers.slice(0, index + 1).join(', ')}`,
  severity: 'error',
  from: { path: `${coachSource}${layer}/`, pathNot: '\\.test\\.ts$' },
  to: { path: `${coachSource}(${[...coachLayers.slice(index + 1), 'index\\.ts'].join('|')})` },
}));

export default {
  forbidden: [
    ...layerRules,
    ...coachRules,
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'node-only-in-node-files',
      comment: 'Everything above server/ runs in a browser: Node modules only in node.ts files.',
      severity: 'error',
      from: { path: source, pathNot: '(/node\\.ts|\\.test\\.ts|/testing\\.ts)$|/(cli|server)/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'public-entry-only',
      comment: 'Other workspaces use pixel-llm through its public exports.',
      severity: 'error',
      from: { path: '^(packages/(?!pixel-llm/)|apps/)' },
      to: { path: source, pathNot: `${source}(index|node)\\.ts$` },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['pixel-llm-source', 'node', 'import', 'default'],
    },
  },
};
