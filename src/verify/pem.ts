import { PemConverter } from '@peculiar/x509';

/**
 * The contents of the PEM blocks (RFC 7468) with one of these labels; other blocks are passed over. Blank lines within a
 * block are let pass, as everybody does; the parser would leave such a block out.
 * @returns `undefined` when there is none, there are more than `most`, or one cannot be read
 */
export function pemBlocks(text: string, labels: ReadonlySet<string>, most: number): Uint8Array[] | undefined {
  const begun = [...text.matchAll(/^-----BEGIN ([^-\r\n]+)-----[ \t]*$/gm)].filter(([, label]) => labels.has(label!));
  if (begun.length === 0 || begun.length > most) return undefined;
  try {
    const blocks = PemConverter.decodeWithHeaders(text.replace(/^[ \t]*\r?\n/gm, '')).filter(({ type }) =>
      labels.has(type),
    );
    return blocks.length === begun.length ? blocks.map(({ rawData }) => new Uint8Array(rawData)) : undefined;
  } catch {
    return undefined;
  }
}
