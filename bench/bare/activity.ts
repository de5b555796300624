/** The local activity of the bare engine: no effect at all, so that only the engine is measured. */
export async function nothing(): Promise<string> {
  return 'done';
}
