import { act } from 'react';
import { createRoot } from 'react-dom/client';

(globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;

export function drawn(element: JSX.Element): HTMLElement {
  const node = document.body.appendChild(document.createElement('div'));
  act(() => createRoot(node).render(element));
  return node;
}

export function click(node: Element | null | undefined): void {
  act(() => node!.dispatchEvent(new MouseEvent('click', { bubbles: true })));
}

export function press(node: Element, key: string): void {
  act(() => node.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true })));
}

export function write(input: HTMLInputElement | HTMLTextAreaElement, text: string): void {
  const set = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(input), 'value')!.set!;
  act(() => {
    set.call(input, text);
    input.dispatchEvent(new Event('input', { bubbles: true }));
  });
}

export function button(node: HTMLElement, text: string): HTMLButtonElement | undefined {
  return [...node.querySelectorAll('button')].find(one => one.textContent!.startsWith(text));
}

export function select(input: Element, value: string): void {
  const set = Object.getOwnPropertyDescriptor(HTMLSelectElement.prototype, 'value')!.set!;
  act(() => {
    set.call(input, value);
    input.dispatchEvent(new Event('change', { bubbles: true }));
  });
}
