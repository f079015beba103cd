#!/usr/bin/env node
// The command's door. Plain old JavaScript on purpose: a Node too old for the rest must still be able to read this file and say so.
// In a clone the sources run as they are; the published package holds only dist/.
var major = Number(process.versions.node.split('.')[0]);
if (major < 24) {
  process.stderr.write('pixel-coach needs Node 24 or newer, and this is Node ' + process.versions.node + '.\n');
  process.exitCode = 1;
} else {
  Promise.all([import('node:fs'), import('node:module')]).then(([fs, nodeModule]) => {
    // Halves the time to start, from the second start on. (What comes out of the cache is not measured exactly by coverage.)
    if (!process.env.NODE_V8_COVERAGE) nodeModule.enableCompileCache();
    var source = new URL('../src/cli/main.ts', import.meta.url);
    return import(fs.existsSync(source) ? source.href : new URL('../dist/cli/main.js', import.meta.url).href);
  });
}
