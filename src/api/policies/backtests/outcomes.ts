/** Outcomes with what people call them and a colour that is told apart without red and green (Okabe and Ito). */
export const OUTCOMES = [
  { outcome: 'approved', name: 'approved', colour: '#009e73' },
  { outcome: 'challenge', name: 'challenge', colour: '#e69f00' },
  { outcome: 'review', name: 'review', colour: '#0072b2' },
  { outcome: 'deny', name: 'deny', colour: '#d55e00' },
  { outcome: 'unjudged', name: 'not judged', colour: '#8c8c8c' },
] as const;

export function number(value: number): string {
  return value.toLocaleString('en-US');
}
