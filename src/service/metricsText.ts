// Metrics as Prometheus reads them: the text format 0.0.4 and OpenMetrics 1.0. Written here and not by a library,
// because the service is part of what an application installs, which has no dependency but `pg`.

export interface MetricFamily {
  /** Of a counter without the suffix `_total`. */
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  /** A value that is not known has no sample. */
  readonly samples: readonly MetricSample[];
}

export interface MetricSample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export const metricsTypes = {
  'text/plain': 'text/plain; version=0.0.4; charset=utf-8',
  'application/openmetrics-text': 'application/openmetrics-text; version=1.0.0; charset=utf-8',
} as const;

export type MetricsFormat = keyof typeof metricsTypes;

export function metricsText(families: readonly MetricFamily[], format: MetricsFormat): string {
  const isOpenMetrics = format === 'application/openmetrics-text';
  const lines = families
    .filter(({ samples }) => samples.length > 0)
    .flatMap((family) => familyLines(family, isOpenMetrics));
  return [...lines, ...(isOpenMetrics ? ['# EOF'] : []), ''].join('\n');
}

/** OpenMetrics names the family of a counter without its suffix, the older format names it as its samples. */
function familyLines({ name, type, help, samples }: MetricFamily, isOpenMetrics: boolean): string[] {
  const sampleName = type === 'counter' ? `${name}_total` : name;
  const familyName = isOpenMetrics ? name : sampleName;
  return [
    `# HELP ${familyName} ${escapeText(help, isOpenMetrics)}`,
    `# TYPE ${familyName} ${type}`,
    ...samples.map(({ labels, value }) => `${sampleName}${labelsText(labels)} ${valueText(value)}`),
  ];
}

function labelsText(labels: MetricSample['labels']): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeText(value, true)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function valueText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  return String(value);
}

function escapeText(text: string, areQuotesEscaped: boolean): string {
  const escaped = text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
  return areQuotesEscaped ? escaped.replaceAll('"', '\\"') : escaped;
}
