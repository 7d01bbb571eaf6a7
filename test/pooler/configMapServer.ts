// The API server as far as a pooler uses it: lists and watches of ConfigMaps by name.
import type { ServerResponse } from 'node:http';
import { frame, json, ScriptedApiServer, type SeenRequest } from '../fixtures/scriptedApiServer.ts';

export interface ConfigMapServer extends AsyncDisposable {
  readonly url: string;
  readonly requests: readonly SeenRequest[];
  /** Creates or changes `shop/<name>` and tells everyone who watches it. */
  put(name: string, key: string, content: unknown): void;
}

export async function startConfigMapServer(): Promise<ConfigMapServer> {
  const server = await ScriptedApiServer.start();
  const objects = new Map<string, { readonly metadata: { readonly resourceVersion: string } }>();
  const watches = new Map<ServerResponse, string>();
  let version = 1;
  server.answerAlways((response, request) => {
    const name = request.query['fieldSelector']?.replace('metadata.name=', '') ?? '';
    if (request.query['watch'] === 'true') {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.flushHeaders();
      watches.set(response, name);
      response.on('close', () => watches.delete(response));
      // What changed between the list and the watch.
      const object = objects.get(name);
      if (object !== undefined && object.metadata.resourceVersion !== request.query['resourceVersion']) {
        response.write(frame('MODIFIED', object));
      }
      return undefined;
    }
    const items = [objects.get(name)].filter((it) => it !== undefined);
    return json({ kind: 'List', metadata: { resourceVersion: `${version}` }, items })(response, request);
  });
  return {
    url: server.url.href,
    requests: server.requests,
    put: (name, key, content) => {
      version += 1;
      const type = objects.has(name) ? 'MODIFIED' : 'ADDED';
      const object = {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { namespace: 'shop', name, uid: name, resourceVersion: `${version}` },
        data: { [key]: JSON.stringify(content) },
      };
      objects.set(name, object);
      for (const [response, watched] of watches) if (watched === name) response.write(frame(type, object));
    },
    [Symbol.asyncDispose]: () => server.close(),
  };
}
