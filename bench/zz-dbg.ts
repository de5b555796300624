import { setStage } from '/work/main/bench/stage.ts';
import { prepareDatabase } from '/work/main/bench/prokura/seed.ts';
import { serviceRole } from '/work/main/bench/prokura/service.ts';
import { prokuraLifecycle } from '/work/main/bench/prokura/lifecycle.ts';
import { Connection, Client } from '@temporalio/client';
const log = (l: string) => console.log(l);
const stage = await setStage(log);
try {
  const url = `http://127.0.0.1:${await stage.port()}`;
  const { databaseUrl, organization } = await prepareDatabase(stage);
  await stage.start({...serviceRole({ role: 'serve', name: 'prokura', url, databaseUrl, stage, fast: true, env: {LOG_LEVEL:'warn'} })});
  const lc = prokuraLifecycle(url, organization);
  await lc(async (s, c) => { const t = performance.now(); try { const r = await c(); console.log(s, performance.now()-t, JSON.stringify(r).slice(0,200)); return r; } catch (e) { console.log(s, String(e)); throw e; } }).catch(() => 0);
  await new Promise(r => setTimeout(r, 1000));
  const c = new Client({ connection: await Connection.connect({ address: stage.temporal.address }), namespace: 'prokura' });
  for await (const w of c.workflow.list()) {
    console.log(w.workflowId, w.type, w.status.name);
    const h = await c.workflow.getHandle(w.workflowId).fetchHistory();
    for (const e of h.events ?? []) { const k = Object.keys(e).find(k => k.endsWith('EventAttributes') && (e as any)[k])!; const a = (e as any)[k]; console.log(Number(e.eventId), k.replace('EventAttributes',''), JSON.stringify(a.failure ?? a.cause ?? a.userMetadata ?? '').slice(0, 1500)); }
  }
  const fs = await import('node:fs'); for (const f of fs.readdirSync(stage.folder + '/logs')) if (f.includes('prokura')) console.log(fs.readFileSync(stage.folder + '/logs/' + f, 'utf8').slice(0, 6000));
} finally { await stage.stop(); }
process.exit();
