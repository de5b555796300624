import type { Pool } from 'pg';
import type { Clock } from './clock.ts';
import type { Controls } from './controls.ts';

export interface SimulatorParts {
  pool: Pool;
  controls: Controls;
  clock: Clock;
  /** Whether anyone listens to notifications of the plain format. */
  announces: boolean;
}
