import { embeddedRefinement } from './embedded.ts';
import { httpRefinement } from './http.ts';
import type { RefinementPort } from './port.ts';

/** The evaluator that the settings name; the embedded one without. */
export function createRefinement(settings: {
  REFINEMENT_URL?: string | undefined;
  REFINEMENT_TOKEN?: string | undefined;
  REFINEMENT_TIMEOUT_MS: number;
}): RefinementPort {
  const { REFINEMENT_URL: url, REFINEMENT_TOKEN: token, REFINEMENT_TIMEOUT_MS: timeoutMs } = settings;
  return url === undefined ? embeddedRefinement() : httpRefinement({ url, token, timeoutMs });
}
