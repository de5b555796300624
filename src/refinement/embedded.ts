import { refineByHistory } from '../domain/refinement.ts';
import type { RefinementPort } from './port.ts';

/** Statistics over the organization's own history; nothing leaves the process. */
export function embeddedRefinement(): RefinementPort {
  return { refine: async (_subject, facts) => refineByHistory(facts) };
}
