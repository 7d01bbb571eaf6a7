// The endpoints document for everyone who reads or writes it: `replica-manager/endpoints`.

export { compareEndpoints, type EndpointsOrder } from './compareEndpoints.ts';
export {
  type Endpoint,
  type EndpointsDocument,
  endpointsKey,
  maxHoldMs,
  type PrimaryEndpoint,
  type ReplicaEndpoint,
  type SwitchoverAnnouncement,
} from './endpointsDocument.ts';
export { EndpointsParseError, maxEndpointsLength, parseEndpoints } from './parseEndpoints.ts';
export { parseSwitchover, switchoverSetting, switchoverText } from './switchoverSetting.ts';
