/**
 * Icons: a room, and what leaves it: bars of a chart.
 */
import { LabIcon } from '@jupyterlab/ui-components';

const ROOM = `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 24 24">
  <path class="jp-icon3" fill="#616161" d="M5 3h14a2 2 0 0 1 2 2v4h-2V5H5v14h14v-4h2v4a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2z"/>
  <path class="jp-icon3" fill="#616161" d="M7.5 12H10v5H7.500zM11.500 9H14v8h-2.500zM15.500 13.500l4-3.500v2.500H24v2h-4.500V17z" transform="translate(-.5 -.500)"/>
</svg>`;

export const roomIcon = new LabIcon({ name: 'cleanroom-kernel:room', svgstr: ROOM });
