// Real answers against the description that the service gives of itself.

import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { expect, test } from 'vitest';
import type { ReplicaManagerStatus } from '../../src/router/routerStatus.ts';
import { createServiceHandler } from '../../src/service/createServiceHandler.ts';
import { openApi } from '../../src/service/openApi.ts';
import { routes } from '../../src/service/routes.ts';
import { serveHttp } from '../fixtures/httpService.ts';
import {
  emptyStatus,
  managerStatus,
  primaryStatus,
  replicaStatus,
  sourceStatus,
  unknownLag,
} from '../fixtures/managerStatus.ts';

const ajv = new Ajv2020({ strict: false, allErrors: true });
formats.default(ajv);
ajv.addSchema({ $id: 'openapi', ...openApi });

type Path = keyof typeof openApi.paths;
const paths = Object.keys(openApi.paths) as Path[];

const unreachable = { kind: 'failed', reason: 'connect ECONNREFUSED', ageMs: 1.5 } as const;
const nothing = { total: 0, idle: 0, waiting: 0 };
const statuses: Readonly<Record<string, ReplicaManagerStatus>> = {
  'that is well': managerStatus(),
  'that nobody knows': emptyStatus(),
  'without a primary': managerStatus({ primary: null }),
  'that has not been asked': managerStatus({
    primary: primaryStatus({ observed: null, connections: nothing }),
    replicas: [replicaStatus({ observed: null, connections: nothing, lag: unknownLag() })],
    sources: [
      sourceStatus({ isInUse: false, epoch: null, generation: null, ageMs: null, problems: ['is older'] }),
    ],
  }),
  'that is broken': managerStatus({
    primary: primaryStatus({ observed: unreachable }),
    replicas: [replicaStatus({ observed: unreachable, verdict: { kind: 'resting', reason: 'gone' } })],
    currentReplicaIndex: null,
  }),
};

/** What the schema of the answer to this status and type has against it. */
function complaints(path: Path, status: number, type: string, body: string): unknown {
  const responses: Readonly<Record<string, { readonly content: object }>> = openApi.paths[path].get.responses;
  const content = responses[status]?.content ?? {};
  if (!Object.keys(content).includes(type)) return `${status} ${type} is not described`;
  const pointer = ['paths', path, 'get', 'responses', String(status), 'content', type, 'schema']
    .map((key) => encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1')))
    .join('/');
  const validate = ajv.getSchema(`openapi#/${pointer}`);
  if (validate === undefined) return 'there is no schema';
  return validate(type.includes('json') ? JSON.parse(body) : body) ? [] : validate.errors;
}

test('every path is described, and nothing else', () => {
  expect(paths.toSorted()).toEqual([...routes.keys(), '/endpoints/stream'].toSorted());
});

test.each(Object.entries(statuses))('the answers about a topology %s are as described', async (_, status) => {
  const handler = createServiceHandler({ status: () => status, hasReadReplicas: () => true });
  await using service = await serveHttp(handler);
  const answers = paths.flatMap((path) =>
    ['application/json', 'text/plain', 'application/openmetrics-text'].map(async (accept) => {
      const response = await fetch(service.url + path, { headers: { accept } });
      if (path === '/endpoints/stream') handler.close();
      const [type = ''] = (response.headers.get('content-type') ?? '').split(';');
      return [path, accept, complaints(path, response.status, type, await response.text())];
    }),
  );
  const found = (await Promise.all(answers)).filter(
    ([, , found]) => !Array.isArray(found) || found.length > 0,
  );
  expect(found).toEqual([]);
});

test('an answer with one key more, one less or of another type is against the description', () => {
  const lag = { name: 'a', lagSeconds: 1, status: 'healthy' };
  const answer = { replicas: [lag], maxLag: 1, avgLag: 1, timestamp: '2024-11-07T10:00:00Z' };
  const judge = (value: object) =>
    complaints('/database/replica/lag', 200, 'application/json', JSON.stringify(value));
  expect(judge(answer)).toEqual([]);
  expect(judge({ ...answer, more: 1 })).toMatchObject([{ keyword: 'additionalProperties' }]);
  expect(judge({ ...answer, maxLag: undefined })).toMatchObject([{ keyword: 'required' }]);
  expect(judge({ ...answer, replicas: [{ ...lag, lagSeconds: '1' }] })).toMatchObject([{ keyword: 'type' }]);
  expect(judge({ ...answer, timestamp: 'yesterday' })).toMatchObject([{ keyword: 'format' }]);
});
