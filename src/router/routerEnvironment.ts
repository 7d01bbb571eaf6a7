export { readRouterEnvironment } from './sources/routerEnvironment.ts';
