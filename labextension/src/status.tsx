/**
 * Status: one item in the status bar, while the notebook in front is in a clean room.
 */
import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import * as React from 'react';

import { roomIcon } from './icons';
import { ICleanRoom } from './tokens';

export class StatusItem extends ReactWidget {
  constructor(
    private readonly room: ICleanRoom,
    private readonly open: () => void
  ) {
    super();
    this.addClass('crk-Status');
  }

  render(): JSX.Element {
    return (
      <UseSignal signal={this.room.changed}>{() => <StatusView room={this.room} open={this.open} />}</UseSignal>
    );
  }
}

export function StatusView(props: { room: ICleanRoom; open: () => void }): JSX.Element {
  const words = statusWords(props.room);
  return (
    <button
      className="crk-Status-button"
      title="Show the Clean Room panel"
      aria-label={`Clean Room: ${words}. Show the panel`}
      onClick={props.open}
    >
      <roomIcon.react tag="span" className="crk-Status-icon" width="14px" height="14px" />
      {words}
    </button>
  );
}

export function statusWords(room: ICleanRoom): string {
  const kernel = room.state.kernel;
  const name = kernel?.connection?.room || 'no room';
  if (kernel?.problem) {
    return `${name}: ${kernel.problem.problem}`;
  }
  if (!kernel?.session) {
    return name;
  }
  return `${name} · ${room.released.toLocaleString('en')} released`;
}
