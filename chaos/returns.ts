import { parseId } from '../src/domain/ids.ts';
import type { Stage } from './stage.ts';

/** A refund that the processor has made comes back; nothing happens to one that it has not. @param refundId `op_…` */
export async function comesBack({ simulatorUrl }: Pick<Stage, 'simulatorUrl'>, refundId: string): Promise<void> {
  const response = await fetch(`${simulatorUrl}/control/returns`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    // Processors know our operations under the bare UUID.
    body: JSON.stringify({ operation_id: parseId(refundId, 'op') }),
  });
  if (!response.ok && response.status !== 404) {
    throw new Error(`/control/returns answered ${response.status}: ${await response.text()}`);
  }
}
