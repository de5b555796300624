import { InvalidArgumentError, Option } from 'commander';
import { SCOPES } from '../domain/access-scopes.ts';
import { isCurrency } from '../domain/currency.ts';
import { parseId } from '../domain/ids.ts';

/** A port number, 1–65535. */
export function portNumber(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1 || port > 65_535) throw new InvalidArgumentError('a port is 1 to 65535.');
  return port;
}

/** A port number, or `auto` for the first free one. */
export function portOrAuto(text: string): number | 'auto' {
  return text === 'auto' ? 'auto' : portNumber(text);
}

/** `--mode test|live`. */
export function modeOption(description: string): Option {
  return new Option('--mode <mode>', description).choices(['test', 'live']);
}

/** The UUID of an organization, given as `org_…` or as a UUID. */
export function organizationId(text: string): string {
  const id = parseId(text, 'org');
  if (!id) throw new InvalidArgumentError('an organization is org_…, as `prokura org list` prints it.');
  return id;
}

/** A text of 1 to 255 characters without blanks around it. */
export function shortText(text: string): string {
  const trimmed = text.trim();
  if (trimmed.length < 1 || trimmed.length > 255) throw new InvalidArgumentError('1 to 255 characters, please.');
  return trimmed;
}

/** Name of a processor: it becomes a segment of paths. */
export function processorName(text: string): string {
  if (!/^[a-z0-9_-]{1,64}$/.test(text)) {
    throw new InvalidArgumentError('1 to 64 characters of a-z, 0-9, _ and -.');
  }
  return text;
}

/** `EUR,USD` → its codes, each once. */
export function currencyList(text: string): string[] {
  const codes = [...new Set(text.split(',').map((code) => code.trim()))];
  const unknown = codes.filter((code) => !isCurrency(code));
  if (unknown.length > 0) {
    throw new InvalidArgumentError(`not a currency code of ISO 4217 in capitals: ${unknown.join(', ')}.`);
  }
  return codes;
}

/** A rank; lower is asked first. */
export function priority(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > 1_000_000) throw new InvalidArgumentError('0 to 1000000; lower is asked first.');
  return value;
}

/** An http(s) address without credentials in it (other users can read arguments) and without a slash at its end. */
export function serviceUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) throw new InvalidArgumentError('an http:// or https:// address.');
  if (url.username || url.password || url.search || url.hash) {
    throw new InvalidArgumentError('without user, password, query or fragment.');
  }
  return text.replace(/\/+$/, '');
}

/** The UUID of an API key, given as `key_…` or as a UUID. */
export function keyId(text: string): string {
  const id = parseId(text, 'key');
  if (!id) throw new InvalidArgumentError('an API key is key_…, as `prokura key list` prints it (not its text).');
  return id;
}

/** `execution:write,payments:write` → its scopes, each once. */
export function scopeList(text: string): string[] {
  const scopes = [...new Set(text.split(/[\s,]+/).filter(Boolean))];
  const unknown = scopes.filter((scope) => !SCOPES.includes(scope));
  if (scopes.length > 0 && unknown.length === 0) return scopes;
  const wrong = unknown.length > 0 ? `no such scope: ${unknown.join(', ')}; ` : '';
  throw new InvalidArgumentError(`${wrong}one or more of ${SCOPES.join(', ')}.`);
}

/** A number of days, 1 to 3650. */
export function days(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > 3_650) throw new InvalidArgumentError('1 to 3650 days.');
  return value;
}
