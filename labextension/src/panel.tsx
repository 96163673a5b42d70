/**
 * Panel: the side panel “Clean Room”.
 */
import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import * as React from 'react';

import { BudgetView } from './budget';
import { roomIcon } from './icons';
import { ReleasesView } from './releases';
import { RequestsView } from './requests';
import { SessionView } from './session';
import { TablesView } from './tables';
import { ICleanRoom, INotebooks } from './tokens';

export class RoomPanel extends ReactWidget {
  constructor(
    private readonly room: ICleanRoom,
    private readonly notebooks: INotebooks,
    private readonly connect: () => void
  ) {
    super();
    this.id = 'cleanroom-panel';
    this.title.icon = roomIcon;
    this.title.caption = 'Clean Room';
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', 'Clean Room');
    this.addClass('crk-Panel');
  }

  render(): JSX.Element {
    return (
      <UseSignal signal={this.room.changed}>
        {() => <PanelView room={this.room} notebooks={this.notebooks} connect={this.connect} />}
      </UseSignal>
    );
  }
}

export interface IPanelProps {
  readonly room: ICleanRoom;
  readonly notebooks: INotebooks;
  readonly connect: () => void;
}

export function PanelView(props: IPanelProps): JSX.Element {
  const { room, notebooks, connect } = props;
  const { description } = room.state;
  return (
    <>
      <header className="crk-Panel-header">
        <h2>Clean Room</h2>
      </header>
      <Section title="Session">
        <SessionView state={room.state} onConnect={connect} />
      </Section>
      {room.isActive && (
        <>
          <Section title="Tables">
            {description ? (
              <TablesView description={description} onInsert={code => notebooks.insert(code)} />
            ) : (
              <p className="crk-Quiet">
                Run <code>room</code> in a cell to see the room’s tables.
              </p>
            )}
          </Section>
          <Section title="Requests" count={room.state.requests.filter(one => one.state === 'asked').length}>
            <RequestsView
              requests={room.state.requests}
              has={request => notebooks.has(request)}
              onJump={request => notebooks.jump(request)}
              onInsert={code => notebooks.insert(code)}
            />
          </Section>
          <Section title="Budget">
            <BudgetView state={room.state} />
          </Section>
          <Section title="Releases" count={room.released}>
            <ReleasesView
              state={room.state}
              has={request => notebooks.has(request)}
              onJump={request => notebooks.jump(request)}
            />
          </Section>
        </>
      )}
    </>
  );
}

function Section(props: { title: string; count?: number; children: React.ReactNode }): JSX.Element {
  const { title, count = 0, children } = props;
  return (
    <details className="crk-Section" open>
      <summary>
        <h3>{title}</h3>
        {count > 0 && <span className="crk-Count">{count.toLocaleString('en')}</span>}
      </summary>
      <div className="crk-Section-body">{children}</div>
    </details>
  );
}
