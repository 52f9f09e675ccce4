/** The page as a whole: what to look for, what was found, and the memory that is open. */

import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useSubscription } from "urql";

import { Detail } from "./detail";
import { ChangesDocument, type MemoryType, type RecordFieldsFragment, type ViewerQuery } from "./gql/graphql";
import { Icon, type IconName } from "./icons";
import { Found, type Wanted } from "./list";
import { LiveContext, type Live, type Place, type Toast } from "./live";

interface AppProps {
  viewer: NonNullable<ViewerQuery["viewer"]>;
  connected: boolean;
  leave: (() => void) | undefined;
}

const KINDS: { label: string; type: MemoryType | undefined; icon: IconName }[] = [
  { label: "All memories", type: undefined, icon: "all" },
  { label: "Sessions", type: "SESSION", icon: "SESSION" },
  { label: "Working", type: "WORKING", icon: "WORKING" },
  { label: "Long-term", type: "LONG_TERM", icon: "LONG_TERM" },
];
const LISTEN_AGAIN_MS = 3_000;
const TOAST_MS = 12_000;

export function App({ viewer, connected, leave }: AppProps) {
  const [place, open] = usePlace();
  const [wanted, setWanted] = useState<Wanted>({ type: undefined, pinned: false, text: "" });
  const [changes, setChanges] = useState<ReadonlyMap<string, RecordFieldsFragment>>(new Map());
  const [said, announce] = useState("");
  const [toasts, setToasts] = useState<(Toast & { key: number })[]>([]);
  const search = useRef<HTMLInputElement>(null);

  const [{ error }, listen] = useSubscription({ query: ChangesDocument }, (_before, data) => {
    const { record } = data.memoryChanged;
    setChanges((known) => new Map(known).set(record.subjectId, record));
    return data;
  });

  useEffect(() => {
    if (!error) return undefined;
    // The server ends a subscription that lags behind, or whose credentials end.
    const timer = setTimeout(() => listen(), LISTEN_AGAIN_MS);
    return () => clearTimeout(timer);
  }, [error, listen]);

  const dismiss = useCallback((key: number) => setToasts((all) => all.filter((each) => each.key !== key)), []);
  const toast = useCallback(
    (shown: Toast) => {
      const key = performance.now();
      setToasts((all) => [...all.slice(-2), { ...shown, key }]);
      setTimeout(() => dismiss(key), TOAST_MS);
    },
    [dismiss],
  );

  useEffect(() => {
    function press(event: KeyboardEvent): void {
      const typing = event.target instanceof Element && event.target.closest("input, textarea, select") !== null;
      if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
        event.preventDefault();
        search.current?.focus();
      } else if (event.key === "Escape" && !event.defaultPrevented) {
        if (event.target === search.current) search.current?.blur();
        else if (!typing) open(undefined);
      }
    }
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, [open]);

  const live = useMemo<Live>(() => ({ changes, connected, announce, toast, open }), [changes, connected, toast, open]);
  return (
    <LiveContext value={live}>
      <div className={place ? "app reading" : "app"}>
        <a className="skip" href="#found" onClick={(event) => skip(event)}>
          Skip to the memories
        </a>
        <header className="side">
          <div className="brand">
            <svg viewBox="0 0 32 32" aria-hidden="true">
              <rect width="32" height="32" rx="8" />
              <path d="M7 23V10l9 8 9-8v13" />
            </svg>
            <h1>mnesis</h1>
          </div>
          <nav aria-label="Kinds of memories">
            <ul>
              {KINDS.map(({ label, type, icon }) => (
                <li key={label}>
                  <button
                    aria-pressed={wanted.type === type}
                    onClick={() => setWanted({ ...wanted, type, pinned: type === "WORKING" ? false : wanted.pinned })}
                  >
                    <Icon name={icon} />
                    {label}
                  </button>
                </li>
              ))}
            </ul>
            <ul>
              <li>
                <button
                  aria-pressed={wanted.pinned}
                  onClick={() => setWanted({ ...wanted, pinned: !wanted.pinned, type: wanted.type === "WORKING" ? undefined : wanted.type })}
                >
                  <Icon name="pin" />
                  Pinned only
                </button>
              </li>
            </ul>
          </nav>
          <div className="account">
            <p className="status" data-connected={connected}>
              {connected ? "Live" : "Connecting…"}
            </p>
            <p className="who" title={`Tenant ${viewer.tenant}`}>
              <strong>{viewer.subject}</strong>
              <span>{viewer.tenant}</span>
            </p>
            <ThemeButton />
            {leave && (
              <button className="quiet" onClick={leave}>
                Leave
              </button>
            )}
          </div>
        </header>
        <Found wanted={wanted} setText={(text) => setWanted((old) => ({ ...old, text }))} search={search} place={place} />
        <main className="detail" aria-label="The open memory">
          {place ? (
            <Detail key={`${place.type}:${place.id}`} place={place} />
          ) : (
            <div className="empty">
              <Icon name="SESSION" />
              <h2>Nothing is open</h2>
              <p>Choose a memory to read it, correct it, or see how it came to be what it is.</p>
              <p className="keys">
                <kbd>/</kbd> search <kbd>↑</kbd> <kbd>↓</kbd> move <kbd>Enter</kbd> open <kbd>Esc</kbd> close
              </p>
            </div>
          )}
        </main>
        <div className="toasts" role="status">
          {toasts.map(({ key, text, undo }) => (
            <div className="toast" key={key}>
              <span>{text}</span>
              {undo && (
                <button
                  onClick={() => {
                    dismiss(key);
                    void undo();
                  }}
                >
                  Undo
                </button>
              )}
              <button className="quiet" aria-label="Dismiss" onClick={() => dismiss(key)}>
                <Icon name="close" />
              </button>
            </div>
          ))}
        </div>
        <p className="heard" role="status" aria-live="polite">
          {said}
        </p>
      </div>
    </LiveContext>
  );
}

function skip(event: { preventDefault: () => void }): void {
  // The address tells which memory is open, so that it cannot tell a place on the page too.
  event.preventDefault();
  document.getElementById("found")?.focus();
}

const TYPES: readonly string[] = ["SESSION", "WORKING", "LONG_TERM"] satisfies MemoryType[];

function placeOf(hash: string): Place | undefined {
  const [, type = "", id = ""] = /^#\/([A-Z_]+)\/(.+)$/.exec(hash) ?? [];
  if (!TYPES.includes(type)) return undefined;
  try {
    return { type: type as MemoryType, id: decodeURIComponent(id) };
  } catch {
    return undefined;
  }
}

/** The open memory stands in the address, so that it can be shared and the browser's way back works. */
function usePlace(): [Place | undefined, (place: Place | undefined) => void] {
  const [place, setPlace] = useState(() => placeOf(window.location.hash));
  useEffect(() => {
    const moved = (): void => setPlace(placeOf(window.location.hash));
    window.addEventListener("hashchange", moved);
    return () => window.removeEventListener("hashchange", moved);
  }, []);
  const open = useCallback((to: Place | undefined) => {
    window.location.hash = to ? `/${to.type}/${encodeURIComponent(to.id)}` : "/";
  }, []);
  return [place, open];
}

function ThemeButton() {
  const [theme, setTheme] = useState(() => localStorage.getItem("mnesis:theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
  useEffect(() => {
    document.documentElement.dataset["theme"] = theme;
  }, [theme]);
  const other = theme === "dark" ? "light" : "dark";
  return (
    <button
      className="quiet"
      aria-label={`Use the ${other} theme`}
      title={`Use the ${other} theme`}
      onClick={() => {
        localStorage.setItem("mnesis:theme", other);
        setTheme(other);
      }}
    >
      <Icon name={other === "dark" ? "moon" : "sun"} />
    </button>
  );
}
