import { pino } from 'pino';
import { Listener } from '../../src/store/listener.ts';
import { createPool } from '../../src/store/pool.ts';
import { createSealer } from '../../src/trust/seal.ts';
import { createSigner } from '../../src/trust/signing.ts';
import { startRelay } from '../../workers/webhooks/relay.ts';

/** The relay alone in a process, as a worker runs it: its CPU and memory are read from outside. */
const { DATABASE_URL, PROKURA_SIGNING_KEY, PROKURA_DATA_KEY } = process.env;
const pool = createPool(DATABASE_URL!, 3, 'prokura relay');
const listener = new Listener();
const relay = startRelay({
  pool,
  sealer: createSealer(PROKURA_DATA_KEY!),
  signer: await createSigner(PROKURA_SIGNING_KEY!),
  log: pino({ level: 'warn' }),
  publicUrl: 'http://127.0.0.1',
  allowPrivate: true,
  listener,
});
await listener.listen(DATABASE_URL!);
process.send!({ ready: true });
process.on('message', () => {
  void relay.stop().then(() => process.exit(0));
});
