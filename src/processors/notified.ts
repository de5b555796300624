import type { DisputeTold, ProcessorNotification } from './port.ts';

export { NotificationFormatError, NotificationSignatureError } from './simulator/notification.ts';

type OperationNews = Extract<ProcessorNotification, { type: 'operation' }>;

/** One thing that a processor told, after its signature was checked. */
export interface Notified {
  /** Unique within the account. */
  eventId: string;
  /** The processor's own name of what happened. */
  event: string;
  /** Absent where it is not about an operation of ours: it is kept, and nobody acts on it. */
  news?: Omit<OperationNews, 'type' | 'eventId' | 'processor' | 'takesBack'>;
  /** A dispute, with the processor's name of the payment in place of ours. */
  dispute?: Omit<DisputeTold, 'reference'> & { processorReference: string };
  /** It takes back what was told before: a capture or refund that failed after it had succeeded. */
  takesBack?: true;
}
