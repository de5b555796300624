import { parseDictionary, parseItem, Token } from 'structured-headers';

/** One entry of `Signature-Agent`: where the keys are, and in what form. */
export interface SignatureAgent {
  label: string;
  uri: string;
  type: string;
}

/**
 * Reads `Signature-Agent`: a dictionary of addresses, or the single address of earlier drafts (its label is empty).
 * Nothing is fetched from there: an agent's keys are those that were registered.
 * @returns `undefined` when it is neither
 */
export function signatureAgents(header: string): SignatureAgent[] | undefined {
  try {
    if (header.trimStart().startsWith('"')) {
      const [uri] = parseItem(header);
      return isHttps(uri) ? [{ label: '', uri, type: 'directory' }] : undefined;
    }
    const entries = [...parseDictionary(header)].map(([label, [uri, params]]) => ({
      label,
      uri: uri as unknown,
      type: textOf(params.get('type')) ?? 'directory',
    }));
    return entries.length > 0 && entries.every((entry): entry is SignatureAgent => isHttps(entry.uri))
      ? entries
      : undefined;
  } catch {
    return undefined;
  }
}

function textOf(value: unknown): string | undefined {
  return value instanceof Token ? value.toString() : typeof value === 'string' ? value : undefined;
}

function isHttps(uri: unknown): uri is string {
  return typeof uri === 'string' && URL.canParse(uri) && new URL(uri).protocol === 'https:';
}
