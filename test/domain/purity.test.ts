import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const DOMAIN = resolve(import.meta.dirname, '../../src/domain');
const FILES = readdirSync(DOMAIN, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));

/** Clocks, randomness, the host and its locale: what would let a replay or a backtest come out differently. */
const IMPURE =
  /\bDate\b|\bMath\.random\b|\bcrypto\b|\bprocess\.|\bIntl\.|\.toLocale|\bfetch\(|\bset(Timeout|Interval)\b|\bawait\b/;

function importsLeaving(file: string, text: string): string[] {
  const specifiers = [...text.matchAll(/\bfrom '([^']+)'|\bimport\('([^']+)'\)/g)].map(
    (match) => match[1] ?? match[2]!,
  );
  return specifiers.filter(
    (s) => !s.startsWith('.') || !resolve(dirname(join(DOMAIN, file)), s).startsWith(DOMAIN + '/'),
  );
}

const codeOf = (text: string): string => text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');

describe('the domain', () => {
  it.each(FILES)('%s is pure and imports only the domain', (file) => {
    const text = readFileSync(join(DOMAIN, file), 'utf8');
    expect(importsLeaving(file, text)).toEqual([]);
    expect(IMPURE.exec(codeOf(text))?.[0]).toBeUndefined();
  });

  it('would be caught otherwise', () => {
    expect(FILES.length).toBeGreaterThan(20);
    const found = importsLeaving(
      'scope/x.ts',
      "import a from '../../store/a.ts';\nimport { b } from 'node:fs';\nimport './c.ts';",
    );
    expect(found).toEqual(['../../store/a.ts', 'node:fs']);
    for (const impure of ['Date.now()', 'new Date(0)', 'Math.random()', 'Intl.NumberFormat', 'await x']) {
      expect(IMPURE.test(codeOf(`const a = ${impure};`))).toBe(true);
    }
    expect(IMPURE.test(codeOf('/** new Date */ const a = 1; // Math.random'))).toBe(false);
  });
});
