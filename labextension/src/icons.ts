/**
 * Icons: a room, and what leaves it: bars of a chart.
 */
import { LabIcon } from '@jupyterlab/ui-components';

const ROOM = `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="10 10 47 44">
  <g class="jp-icon3" fill="#616161">
    <path d="M44 24v-6a2 2 0 0 0-2-2H18a2 2 0 0 0-2 2v28a2 2 0 0 0 2 2h24a2 2 0 0 0 2-2v-6h4v6a6 6 0 0 1-6 6H18a6 6 0 0 1-6-6V18a6 6 0 0 1 6-6h24a6 6 0 0 1 6 6v6z"/>
    <path d="M19 34h4v9h-4zM26 25h4v18h-4zM33 37h4v6h-4z"/>
    <path d="M38 30h11l-4-4 3-3 9 9-9 9-3-3 4-4H38z"/>
  </g>
</svg>`;

export const roomIcon = new LabIcon({ name: 'cleanroom-kernel:room', svgstr: ROOM });
