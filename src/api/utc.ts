/** A timestamp as PostgreSQL puts it into JSON → RFC 3339 UTC with milliseconds. */
export function utc(text: string): string {
  return new Date(text).toISOString();
}
