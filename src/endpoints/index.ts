// The endpoints document for everyone who reads or writes it: `replica-manager/endpoints`.

export { compareEndpoints, type EndpointsOrder } from './compareEndpoints.ts';
export {
  type Endpoint,
  type EndpointsDocument,
  endpointsKey,
  type PrimaryEndpoint,
  type ReplicaEndpoint,
} from './endpointsDocument.ts';
export { EndpointsParseError, maxEndpointsLength, parseEndpoints } from './parseEndpoints.ts';
