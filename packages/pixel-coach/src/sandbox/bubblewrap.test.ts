import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createBubblewrap } from './bubblewrap.ts';
import { chooseSandbox } from './choose.ts';
import type { SandboxCommand, SandboxResult } from './types.ts';

const sandbox = createBubblewrap();
const { usable, reason } = await sandbox.availability();
// Where the sandbox should be there (REQUIRE_SANDBOX=1), its absence is a failure.
const skip = usable || process.env.REQUIRE_SANDBOX ? false : `no bubblewrap: ${reason}`;

/** Waits for the kernel to bury what was killed. */
async function assertNothingRuns(mark: string): Promise<void> {
  const runs = (): boolean => spawnSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).stdout.includes(mark);
  for (let tries = 0; runs() && tries < 100; tries++) await sleep(50);
  assert.ok(!runs());
}

describe('The bubblewrap sandbox', { skip }, () => {
  let folder: string;
  let work: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'pixel-coach-test-'));
    work = join(folder, 'work');
    mkdirSync(join(work, 'dist'), { recursive: true });
    writeFileSync(join(work, 'file.txt'), 'trusted');
    writeFileSync(join(folder, 'secret.txt'), 'secret');
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const run = (argv: string[], options: Partial<SandboxCommand> = {}): Promise<SandboxResult> =>
    sandbox.run({ argv, folder: work, ...options });
  const shell = (script: string, options: Partial<SandboxCommand> = {}): Promise<SandboxResult> =>
    run(['sh', '-c', script], options);
  const node = (script: string, options: Partial<SandboxCommand> = {}): Promise<SandboxResult> =>
    run(['node', '-e', script], options);

  test('runs a command in the work folder and gives back what it printed and how it ended', async () => {
    const { exitCode, cut, output } = await shell('pwd; cat file.txt; cat; exit 3', { input: ' and given' });
    assert.deepEqual([exitCode, cut, output], [3, null, '/work\ntrusted and given']);
    assert.equal((await node('console.log(process.version)')).output.trim(), process.version);
  });

  test('tells a command that fails from a sandbox that does not start, whatever the command prints', async () => {
    const { exitCode, output } = await shell("echo 'bwrap: I am the sandbox'; exit 1");
    assert.deepEqual([exitCode, output], [1, 'bwrap: I am the sandbox\n']);
    await assert.rejects(run(['true'], { folder: '/nowhere' }), { code: 'sandbox-failed', message: /\/nowhere/ });
  });

  test('makes the command an ordinary user without any capability, of which the machine knows nothing', async () => {
    const { output } = await shell('id -u; grep -E "^(Cap(Prm|Eff|Bnd)|NoNewPrivs|Seccomp):" /proc/self/status');
    const [user, ...facts] = output.trim().split('\n');
    assert.ok(Number(user) >= 1000);
    assert.deepEqual(
      facts.map((fact) => fact.replace(/\s+/, ' ')),
      [
        'CapPrm: 0000000000000000',
        'CapEff: 0000000000000000',
        'CapBnd: 0000000000000000',
        'NoNewPrivs: 1',
        'Seccomp: 2',
      ],
    );
  });

  test('hands over no environment, and no file of the machine but the system', async () => {
    process.env.COACH_TEST_SECRET = 'do-not-leak';
    const { output } = await shell(
      `env; ls / /etc; cat ${folder}/secret.txt /root/* /home/* /etc/shadow /proc/1/environ; ls /proc/1/root/`,
    );
    delete process.env.COACH_TEST_SECRET;
    assert.ok(!/do-not-leak|secret$|root:/m.test(output), output);
    assert.deepEqual(
      output.split('\n').filter((line) => /^(home|root|var|srv|mnt|shadow)$/.test(line)),
      [],
    );
  });

  test('lets it write only into /tmp and the folders named, and keeps nothing of it', async () => {
    const paths = [
      '/work/x',
      '/work/file.txt',
      '/x',
      '/usr/x',
      '/etc/passwd',
      '/dev/x',
      '/opt/node/x',
      '/proc/sys/kernel/core_pattern',
    ];
    const script = `for p in ${paths.join(' ')}; do (echo bad > $p) 2>/dev/null && echo "wrote $p"; done; rm -rf /work/* 2>/dev/null;
      mv /work/file.txt /work/y 2>/dev/null && echo moved; chmod 777 /work /work/file.txt 2>/dev/null && echo chmod;
      echo ok > /tmp/a && echo ok > /dev/shm/a && echo ok > dist/out.js && cat dist/out.js`;
    const { output } = await shell(script, { writable: ['dist'] });
    assert.equal(output, 'ok\n');
    assert.deepEqual([readdirSync(work), readdirSync(join(work, 'dist'))], [['dist', 'file.txt'], []]);
    assert.equal(readFileSync(join(work, 'file.txt'), 'utf8'), 'trusted');
    assert.ok(!existsSync('/tmp/a'));
  });

  test('a symbolic link leads nowhere outside', async () => {
    symlinkSync(join(folder, 'secret.txt'), join(work, 'link'));
    const { output } = await shell(`cat link; ln -s ${folder}/secret.txt /tmp/l; cat /tmp/l; echo bad > /tmp/l; true`);
    rmSync(join(work, 'link'));
    assert.ok(!/^secret/m.test(output));
    assert.equal(readFileSync(join(folder, 'secret.txt'), 'utf8'), 'secret');
  });

  test('has no network: not to this machine, not to another, not through a socket file', async () => {
    const server = createServer((socket) => socket.end('reached')).listen(0, '127.0.0.1');
    const file = createServer((socket) => socket.end('reached')).listen(join(folder, 'socket'));
    await sleep(20);
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const { output } = await node(`
      const net = require('node:net');
      for (const to of [{host: '127.0.0.1', port: ${port}}, {host: '10.0.0.1', port: 80}, {path: ${JSON.stringify(join(folder, 'socket'))}}])
        net.connect(to).on('data', (d) => console.log('DATA', String(d))).on('error', (e) => console.log(e.code));
      fetch('http://example.com').then(() => console.log('DATA'), (e) => console.log(e.cause.code));
    `);
    server.close();
    file.close();
    const codes = output.trim().split('\n').sort();
    assert.equal(codes.length, 4, output);
    assert.ok(!output.includes('DATA'), output);
  });

  test('system calls that escapes begin with are refused', async () => {
    const { output } = await shell(
      'unshare -U true 2>&1; unshare -m true 2>&1; mount -t tmpfs x /tmp 2>&1; setpriv --reuid 0 id -u 2>&1; /usr/sbin/chroot / true 2>&1; nsenter -t 1 -a true 2>&1; dmesg 2>&1; true',
    );
    const lines = output.split('\n').filter((line) => /^\S/.test(line));
    assert.equal(lines.length, 7, output);
    assert.ok(
      lines.every((line) => /not permitted|denied|failed|must be superuser/i.test(line)),
      output,
    );
  });

  test('a fork bomb ends at the limit of processes and at the wall clock, and nothing of it survives', async () => {
    const mark = `bomb${process.pid}`;
    const limits = { wallClockMilliseconds: 1500, processes: 40 };
    const { cut, milliseconds } = await shell(
      `bomb() { (setsid sh -c "exec -a ${mark} sleep 60" &) ; bomb | bomb & }; bomb; sleep 60 # ${mark}`,
      { limits },
    );
    assert.equal(cut, 'wall-clock');
    assert.ok(milliseconds < 8000, `${milliseconds}`);
    await assertNothingRuns(mark);
  });

  test('a command that goes on after its main process has ended is killed with it', async () => {
    const mark = `orphan${process.pid}`;
    await shell(`setsid nohup sh -c "sleep 60 # ${mark}" > /dev/null 2>&1 &`);
    await assertNothingRuns(mark);
  });

  test('endless output ends it', async () => {
    const { cut, output } = await shell('yes', { limits: { outputBytes: 100_000 } });
    assert.deepEqual([cut, output.length], ['output', 100_000]);
  });

  test('memory of the whole tree, one process and scratch files is limited', async () => {
    const megabyte = 2 ** 20;
    const hog = `const kept = []; setInterval(() => kept.push(Buffer.alloc(${10 * megabyte}, 1)), 20)`;
    const limits = { memoryBytes: 300 * megabyte, wallClockMilliseconds: 20_000 };
    // Several processes, each below the limit.
    const tree = await node(
      `for (let i = 0; i < 3; i++) require('node:child_process').spawn('node', ['-e', ${JSON.stringify(hog)}], {stdio: 'inherit'})`,
      { limits },
    );
    assert.equal(tree.cut, 'memory', tree.output);
    const scratch = await shell('head -c 20000000 /dev/zero > /tmp/x || echo full', {
      limits: { scratchBytes: 10 * megabyte },
    });
    assert.match(scratch.output, /full/);
    const file = await shell('head -c 20000000 /dev/zero > /tmp/x; echo $?', { limits: { fileBytes: 10 * megabyte } });
    assert.notEqual(file.output.trim(), '0');
  });

  test('limits cannot be raised again', async () => {
    const { output } = await shell(
      'ulimit -u 100000 2>&1; ulimit -f unlimited 2>&1; prlimit --nproc=100000 true 2>&1; true',
    );
    assert.equal(output.trim().split('\n').length, 3, output);
  });

  test('a signal from the caller ends it', async () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 200);
    const { cut, milliseconds } = await shell('sleep 60', { signal: controller.signal });
    assert.equal(cut, 'aborted');
    assert.ok(milliseconds < 5000);
  });

  test('holds as well for a coach that is an ordinary user', {
    skip: process.getuid?.() !== 0 && 'the other tests are run as one',
  }, async () => {
    const script = `import { createBubblewrap } from ${JSON.stringify(new URL('./bubblewrap.ts', import.meta.url).href)};
      const command = 'id -u; grep ^CapEff /proc/self/status; (echo x > /work/x) 2>&1; (unshare -U true) 2>&1; cat /etc/shadow 2>&1; echo ok > /tmp/a; cat /tmp/a';
      console.log(JSON.stringify(await createBubblewrap().run({ argv: ['sh', '-c', command], folder: '/usr/share' })));`;
    const parameters = ['--reuid=65534', '--regid=65534', '--clear-groups', process.execPath];
    const flags = ['--conditions=pixel-llm-source', '--input-type=module', '-e', script];
    const { stdout, stderr } = spawnSync('setpriv', [...parameters, ...flags], {
      encoding: 'utf8',
      // Without the last, Node hands its own coverage folder down, where this user may not write.
      env: { PATH: process.env.PATH, HOME: '/tmp', NODE_V8_COVERAGE: '' },
    });
    assert.equal(stderr, '');
    const { exitCode, output }: SandboxResult = JSON.parse(stdout);
    assert.equal(exitCode, 0, output);
    assert.match(
      output,
      /^1000\nCapEff:\t0{16}\n.*Read-only file system\n.*(not permitted|No space left).*\n.*No such file.*\nok\n$/,
    );
  });

  test('dies with a coach that is killed', async () => {
    const mark = `dying${process.pid}`;
    const script = `import { createBubblewrap } from ${JSON.stringify(new URL('./bubblewrap.ts', import.meta.url).href)};
      console.log('up'); await createBubblewrap().run({ argv: ['sh', '-c', 'sleep 60; true # ${mark}'], folder: ${JSON.stringify(work)} });`;
    const coach = spawn(process.execPath, ['--conditions=pixel-llm-source', '--input-type=module', '-e', script]);
    const processes = (): string => spawnSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).stdout;
    const runs = (): boolean =>
      processes()
        .split('\n')
        .some((line) => line.startsWith('sh -c sleep 60') && line.includes(mark));
    while (!runs()) await sleep(50);
    coach.kill('SIGKILL');
    for (let tries = 0; runs() && tries < 100; tries++) await sleep(50);
    assert.ok(!runs());
  });
});

describe('Choosing a sandbox', () => {
  test('refuses when there is none, and says how to get one', async () => {
    await assert.rejects(chooseSandbox({ bubblewrap: '/nowhere/bwrap' }), {
      code: 'no-sandbox',
      message: /apt-get install bubblewrap/,
    });
    await assert.rejects(chooseSandbox({ container: { command: '/nowhere/podman', image: 'node:24' } }), {
      code: 'no-sandbox',
      message: /Install \/nowhere\/podman/,
    });
  });
});
