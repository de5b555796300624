import { messageOf, type Log } from '../output.ts';
import type { Execution } from './bodies.ts';
import type { Cast } from './cast.ts';
import type { Client } from './client.ts';
import { printStep } from './print.ts';
import type { Scene, StepReport, Story, StoryReport } from './story.ts';

/** Plays a story to its end or to its first failed step, and reports it either way; never throws. */
export async function tell(
  story: Story,
  { api, simulator, cast, log }: { api: Client; simulator: Client; cast: Cast; log: Log },
): Promise<StoryReport> {
  const began = Date.now();
  const steps: StepReport[] = [];
  const report: StoryReport = { title: story.title, ok: true, elapsed_ms: 0, steps };
  const scene: Scene = {
    api,
    simulator,
    cast,
    about: (ids) => void Object.assign(report, ids),
    async step(label, work, show) {
      const started = Date.now();
      const note = (ok: boolean, detail: string) => {
        const step = { label, ok, elapsed_ms: Date.now() - started, detail };
        steps.push(step);
        printStep(log, step);
      };
      try {
        const result = await work();
        note(true, show(result));
        return result;
      } catch (error) {
        note(false, messageOf(error));
        throw error;
      }
    },
  };
  const attempt = async (label: string, work: () => Promise<void>) => {
    const before = steps.length;
    try {
      await work();
    } catch (error) {
      report.ok = false;
      if (steps.slice(before).every((step) => step.ok)) {
        const step = { label, ok: false, elapsed_ms: Date.now() - began, detail: messageOf(error) };
        steps.push(step);
        printStep(log, step);
      }
    }
  };
  await attempt('the story goes as told', () => story.play(scene));
  await attempt('its workflow is found', async () => {
    if (report.execution_ref === undefined) return;
    const { workflow } = await api.get<Execution>(`/v1/executions/${report.execution_ref}`);
    report.workflow_url = workflow.ui_url;
  });
  report.elapsed_ms = Date.now() - began;
  return report;
}
