import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import path from 'node:path';
import { expect, it } from 'vitest';
import { projectRoot } from '../../src/cli/paths.ts';

it('hears that the process which began it has ended, and not before', { timeout: 30_000 }, async () => {
  const module = pathToFileURL(path.join(projectRoot, 'src', 'cli', 'until-stopped.ts')).href;
  const script =
    `import { onParentGone } from '${module}'; console.log('began');` +
    `setTimeout(() => console.log('still there'), 1500);` +
    `onParentGone(() => { console.log('gone'); process.exit(); }); setInterval(() => undefined, 1000);`;
  // A shell in between, as npm has one; `wait` keeps it from giving its place to the program.
  const shell = spawn(
    '/bin/sh',
    ['-c', '"$0" --import tsx --input-type=module -e "$1" & wait', process.execPath, script],
    { cwd: projectRoot, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const lines = createInterface({ input: shell.stdout })[Symbol.asyncIterator]();
  const next = async () => (await lines.next()).value as string;
  expect([await next(), await next()]).toEqual(['began', 'still there']);
  shell.kill('SIGKILL');
  await once(shell, 'exit');
  expect(await next()).toBe('gone');
});
