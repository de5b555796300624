import { inject } from 'vitest';
import type { ResourceName, ResourceOf } from './server.ts';

/**
 * Waits for a resource that all test files of a run share, starting it when this is the first to ask.
 * @throws Error with the reason when it cannot be had
 */
export async function shared<Name extends ResourceName>(name: Name): Promise<ResourceOf<Name>> {
  // Set by programs that use the harness outside of vitest.
  const harnessUrl = process.env['TEST_HARNESS_URL'] ?? inject('harnessUrl');
  const response = await fetch(`${harnessUrl}/${name}`);
  const answer = (await response.json()) as { description: ResourceOf<Name> } | { error: string };
  if ('error' in answer) throw new Error(`${name} is not to be had: ${answer.error}`);
  return answer.description;
}
