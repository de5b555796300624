import { writeFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { freePorts } from '../../scripts/production/free-ports.ts';
import { startTestApi } from '../api/setup.ts';
import { pageOf, sectionOf } from './tables.ts';

it('the recipes for proving an agent do what they say, put together as one program', async () => {
  const section = sectionOf(pageOf('docs/integration.md'), '## Proving an agent');
  const recipes = [...section.matchAll(/```js\n([^]*?)```/g)].map((match) => match[1]!);
  const root = join(import.meta.dirname, '../..');
  const program = join(root, `.prokura-recipes-${process.pid}.mjs`);
  const [port] = await freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const t = await startTestApi({ PUBLIC_URL: url });
  const server = createServer(t.app).listen(port, '127.0.0.1');
  try {
    await writeFile(program, recipes.join('\n'));
    const { stdout } = await execa('node', [program], { cwd: root, env: { API: url, KEY: t.key } });
    expect(stdout.split('\n')).toEqual([
      'signed-nonce true',
      'jwt true',
      'http-signature true',
      'jwt-svid true',
      'x509 true',
      'signed request true',
    ]);
  } finally {
    await rm(program, { force: true });
    server.close();
    await t.close();
  }
});
