/** What an agent has earned so far. */
export interface AgentTrust {
  /** 0 to 100. */
  score: number;
  tier: 'trusted' | 'neutral' | 'watched';
}

/** Where every agent begins. */
const START = 50;
const TRUSTED_FROM = 70;
const WATCHED_BELOW = 30;

/** The trust of a registered agent; `score` is what its history has made of it, the start when there is none. */
export function trustOf({ score = START }: { score?: number }): AgentTrust {
  const tier = score >= TRUSTED_FROM ? 'trusted' : score < WATCHED_BELOW ? 'watched' : 'neutral';
  return { score, tier };
}
