import { InvalidArgumentError } from 'commander';

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
