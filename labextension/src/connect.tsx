/**
 * Connect: the dialog that takes an invitation, so that no terminal is needed.
 *
 * The invitation is sent to the expert's own Jupyter server and forgotten here.
 */
import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import { IClient } from './client';
import { Invitation, SavedConnection } from './protocol';

class ConnectBody extends ReactWidget implements Dialog.IBodyWidget<Invitation> {
  constructor(
    private _value: Invitation,
    private readonly problem: string
  ) {
    super();
    this.addClass('crk-Connect');
  }

  getValue(): Invitation {
    return this._value;
  }

  render(): JSX.Element {
    return <ConnectForm value={this._value} problem={this.problem} onChange={value => (this._value = value)} />;
  }
}

export interface IConnectFormProps {
  readonly value: Invitation;
  readonly problem: string;
  readonly onChange: (value: Invitation) => void;
}

export function ConnectForm(props: IConnectFormProps): JSX.Element {
  const [value, set] = React.useState(props.value);
  const change = (more: Partial<Invitation>) => {
    const next = { ...value, ...more };
    set(next);
    props.onChange(next);
  };
  return (
    <>
      {props.problem && (
        <p className="crk-Problem" role="alert">
          {props.problem}
        </p>
      )}
      <label>
        Invitation
        <textarea
          className="jp-mod-styled"
          rows={4}
          spellCheck={false}
          autoComplete="off"
          placeholder="cleanroom://…"
          value={value.invitation}
          onChange={event => change({ invitation: event.target.value })}
        />
      </label>
      <p className="crk-Quiet">
        Paste the whole line that the owner sent you. It is like a password: it is saved in a file that only you can
        read.
      </p>
      <label>
        Name (optional)
        <input
          className="jp-mod-styled"
          placeholder="chosen for you"
          value={value.name}
          onChange={event => change({ name: event.target.value })}
        />
      </label>
    </>
  );
}

/** Ask for an invitation until it works or the expert gives up. */
export async function askForInvitation(client: IClient): Promise<SavedConnection | null> {
  let value: Invitation = { invitation: '', name: '' };
  let problem = '';
  for (;;) {
    const body = new ConnectBody(value, problem);
    const buttons = [Dialog.cancelButton(), Dialog.okButton({ label: 'Connect' })];
    const focusNodeSelector = '.crk-Connect textarea';
    const result = await showDialog({ title: 'Connect to a clean room', body, buttons, focusNodeSelector });
    if (!result.button.accept || result.value === null) {
      return null;
    }
    value = result.value;
    try {
      return await client.connect(value);
    } catch (error) {
      problem = (error as Error).message;
    }
  }
}

/** Say that it worked, and offer the next step. */
export function celebrate(connection: SavedConnection, open: () => void): void {
  Notification.success(`Connected to the room “${connection.room}” at ${connection.address}.`, {
    autoClose: 10_000,
    actions: [{ label: 'New notebook', callback: open, displayType: 'accent' }]
  });
}
