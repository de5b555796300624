import { json, Router } from 'express';
import { listEffects, summarizeEffects } from './effects.ts';
import { changeDispute, openDispute } from './disputes.ts';
import type { SimulatorParts } from './parts.ts';
import { returnRefund } from './returns.ts';
import {
  DisputeBody,
  DisputeChangeBody,
  EffectsQuery,
  EmptyBody,
  EndpointBody,
  OutageBody,
  ReturnBody,
  ScriptBody,
  SettleBody,
  SummaryQuery,
  TimingBody,
} from './schemas.ts';
import { emptySchema } from './schema.ts';
import { settle } from './settlement.ts';
import { parse } from './wire-problem.ts';

/**
 * `/control/…`: the oracle, and the levers of a test. Open to whoever reaches the port, as everything here is play money:
 * bind it to loopback.
 */
export function controlRoutes({ pool, controls, clock, announces }: SimulatorParts): Router {
  const router = Router();
  const isHeard = (processor: string) => announces || controls.endpointOf(processor) !== undefined;
  router.use(json({ limit: '1mb' }));

  router.get('/effects', async (req, res) => {
    res.json(await listEffects(pool, parse(EffectsQuery, req.query)));
  });
  router.get('/summary', async (req, res) => {
    res.json(await summarizeEffects(pool, parse(SummaryQuery, req.query).reference));
  });
  router.get('/state', (_req, res) => {
    res.json(controls.snapshot());
  });
  router.post('/settle', async (req, res) => {
    const { announce, ...filter } = parse(SettleBody, req.body ?? {});
    const told = announces && announce;
    const settlements = await settle(pool, filter, told);
    if (told) clock.wake(0);
    res.json({ settlements });
  });
  router.post('/disputes', async (req, res) => {
    const dispute = await openDispute(pool, parse(DisputeBody, req.body), isHeard);
    clock.wake(0);
    res.status(201).json(dispute);
  });
  router.post('/disputes/:id', async (req, res) => {
    const dispute = await changeDispute(pool, req.params.id, parse(DisputeChangeBody, req.body).status, isHeard);
    clock.wake(0);
    res.json(dispute);
  });
  router.post('/returns', async (req, res) => {
    const refund = await returnRefund(pool, parse(ReturnBody, req.body).operation_id, isHeard);
    clock.wake(0);
    res.json(refund);
  });
  router.post('/outage', async (req, res) => {
    const { processor, mode, seconds } = parse(OutageBody, req.body);
    await controls.setOutage(processor, mode, seconds);
    res.json(controls.snapshot());
  });
  router.post('/script', async (req, res) => {
    await controls.addScript(parse(ScriptBody, req.body));
    res.json(controls.snapshot());
  });
  router.post('/endpoints', async (req, res) => {
    await controls.setEndpoint(parse(EndpointBody, req.body));
    res.json(controls.snapshot());
  });
  router.post('/timing', async (req, res) => {
    await controls.setTiming(parse(TimingBody, req.body));
    res.json(controls.snapshot());
  });
  router.post('/calm', async (req, res) => {
    parse(EmptyBody, req.body ?? {});
    await controls.clear();
    res.json(controls.snapshot());
  });
  router.post('/reset', async (req, res) => {
    parse(EmptyBody, req.body ?? {});
    await emptySchema(pool);
    await controls.clear();
    res.json(controls.snapshot());
  });
  return router;
}
