import type { ProcessorNotification } from './port.ts';

export { NotificationFormatError, NotificationSignatureError } from './simulator/notification.ts';

type OperationNews = Extract<ProcessorNotification, { type: 'operation' }>;

/** One thing that a processor told, after its signature was checked. */
export interface Notified {
  /** Unique within the account. */
  eventId: string;
  /** The processor's own name of what happened. */
  event: string;
  /** Absent where it is not about an operation of ours: it is kept, and nobody acts on it. */
  news?: Omit<OperationNews, 'type' | 'eventId' | 'processor'>;
  /** It takes back what was told before: a capture or refund that failed after it had succeeded. */
  takesBack?: true;
}
