/** Corrects a memory. What somebody else wrote meanwhile is never overwritten unseen. */

import { useEffect, useId, useRef, useState, type KeyboardEvent } from "react";
import { useMutation } from "urql";

import { sentence } from "./client";
import { Conflict } from "./conflict";
import { complaint, draftOf, fieldsOf, patchOf, sameValue, type Draft, type Field, type Line } from "./fields";
import { UpdateDocument, type MemoryFieldsFragment } from "./gql/graphql";
import { Icon } from "./icons";
import { useLive } from "./live";
import { fieldWords } from "./words";

interface EditorProps {
  /** The memory as it is now; it may change while the draft stands. */
  memory: MemoryFieldsFragment;
  /** Whether somebody deleted it meanwhile. */
  gone?: boolean;
  close: () => void;
}

export function Editor({ memory, gone, close }: EditorProps) {
  const { announce, toast } = useLive();
  const [base, setBase] = useState(memory);
  const [draft, setDraft] = useState<Draft>(() => draftOf(memory));
  const [theirs, setTheirs] = useState<MemoryFieldsFragment>();
  const [refused, setRefused] = useState<string>();
  const [{ fetching: saving }, update] = useMutation(UpdateDocument);
  const form = useRef<HTMLFormElement>(null);

  const fields = fieldsOf(base);
  const stored = draftOf(base);
  const touched = fields.map(({ name }) => name).filter((name) => !sameValue(draft[name], stored[name]));
  const wrong = fields.some((field) => complaint(field, draft[field.name]) !== undefined);
  const newer = !saving && !theirs && memory.version > base.version;

  useEffect(() => {
    form.current?.querySelector<HTMLElement>("textarea, input")?.focus();
  }, []);
  useEffect(() => {
    if (newer) announce("Somebody else changed this memory while you edit it. Your draft is kept.");
  }, [newer, announce]);

  async function save(names: readonly string[], against: MemoryFieldsFragment): Promise<void> {
    const input = patchOf(against, draft, names);
    if (!input) return;
    setRefused(undefined);
    const answer = await update({ type: against.type, id: against.memoryId, input, ifVersion: against.version, reason: "Edited in the panel." });
    const payload = answer.data?.updateMemory;
    if (answer.error || !payload) return setRefused(answer.error ? sentence(answer.error) : "There was no answer.");
    const [error] = payload.errors;
    if (error?.__typename === "VersionConflictError" && error.current) {
      announce("Somebody else was faster. Choose what to keep.");
      return setTheirs(error.current);
    }
    if (error) return setRefused(error.message);
    toast({ text: payload.status === "UNCHANGED" ? "It was so already." : `Saved as version ${payload.version ?? "?"}.` });
    close();
  }

  if (theirs) {
    return (
      <Conflict
        base={base}
        theirs={theirs}
        draft={draft}
        saving={saving}
        save={(names) => (names.length > 0 ? void save(names, theirs) : close())}
        back={() => {
          // Fields that only they changed follow them; the draft's own stay, now against what they wrote.
          const followed = draftOf(theirs);
          setDraft({ ...followed, ...Object.fromEntries(touched.map((name) => [name, draft[name] ?? ""])) });
          setBase(theirs);
          setTheirs(undefined);
        }}
        close={close}
      />
    );
  }

  function press(event: KeyboardEvent): void {
    if (event.key === "Escape") {
      event.preventDefault();
      // A slip of the finger shall not throw away what was typed.
      if (touched.length === 0) close();
      else announce("There are changes. Save them, or choose Cancel.");
    } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.current?.requestSubmit();
    }
  }
  return (
    <form
      ref={form}
      className="editor"
      aria-label="Edit this memory"
      onKeyDown={press}
      onSubmit={(event) => {
        event.preventDefault();
        if (touched.length > 0 && !wrong && !saving) void save(touched, base);
      }}
    >
      {gone && (
        <div className="notice" role="alert">
          <p>
            <strong>Somebody deleted this memory</strong> while you were editing. Your draft stays until you cancel.
          </p>
        </div>
      )}
      {newer && !gone && (
        <div className="notice" role="alert">
          <p>
            <strong>{memory.updatedBy ?? "Somebody"}</strong> saved version {memory.version} while you were editing. Your draft is untouched.
          </p>
          <button type="button" onClick={() => setTheirs(memory)}>
            Compare
          </button>
        </div>
      )}
      {fields.map((field) => (
        <Control
          key={field.name}
          field={field}
          value={draft[field.name] ?? ""}
          touched={touched.includes(field.name)}
          change={(value) => setDraft((old) => ({ ...old, [field.name]: value }))}
        />
      ))}
      {refused && (
        <p className="wrong" role="alert">
          {refused}
        </p>
      )}
      <div className="actions">
        <button className="primary" disabled={touched.length === 0 || wrong || saving}>
          {saving ? "Saving…" : "Save"}
        </button>
        <button type="button" onClick={close}>
          Cancel
        </button>
        <span className="note">
          {touched.length === 0 ? "Nothing is changed yet." : `Changes ${touched.map(fieldWords).join(", ").toLowerCase()}.`}
        </span>
      </div>
    </form>
  );
}

interface ControlProps {
  field: Field;
  value: Draft[string];
  touched: boolean;
  change: (value: Draft[string]) => void;
}

function Control({ field, value, touched, change }: ControlProps) {
  const id = useId();
  const wrong = complaint(field, value);
  const said = { "aria-invalid": wrong !== undefined, "aria-describedby": `${id}-wrong`, id };
  if (field.kind === "flag") {
    return (
      <div className="control flag" data-field={field.name} data-touched={touched}>
        <label>
          <input type="checkbox" checked={value === true} onChange={(event) => change(event.target.checked)} /> {fieldWords(field.name)}
        </label>
        <span className="note">{field.hint}</span>
      </div>
    );
  }
  if (field.kind === "messages") return <Messages lines={value as Line[]} change={change} />;
  const text = typeof value === "string" ? value : "";
  return (
    <div className="control" data-field={field.name} data-touched={touched}>
      <label htmlFor={id}>
        {fieldWords(field.name)} {field.kind === "json" && <span className="note">JSON object</span>}
      </label>
      {field.kind === "line" ? (
        <input {...said} value={text} maxLength={64} onChange={(event) => change(event.target.value)} />
      ) : (
        <textarea
          {...said}
          className={field.kind === "json" ? "code" : undefined}
          spellCheck={field.kind !== "json"}
          rows={Math.min(16, Math.max(field.kind === "json" ? 2 : 3, text.split("\n").length))}
          placeholder={field.kind === "json" ? "None" : undefined}
          value={text}
          onChange={(event) => change(event.target.value)}
        />
      )}
      <p className="wrong" id={`${id}-wrong`} aria-live="polite">
        {wrong}
      </p>
    </div>
  );
}

function Messages({ lines, change }: { lines: Line[]; change: (lines: Line[]) => void }) {
  const put = (index: number, line: Partial<Line>): void => change(lines.map((each, at) => (at === index ? { ...each, ...line } : each)));
  return (
    <fieldset className="control messages" data-field="messages">
      <legend>Messages</legend>
      {lines.map((line, index) => (
        <div className="line" key={index}>
          <input aria-label={`Speaker of message ${index + 1}`} value={line.role} required maxLength={64} onChange={(event) => put(index, { role: event.target.value })} />
          <textarea
            aria-label={`Message ${index + 1}`}
            rows={2}
            value={line.parts ?? line.text}
            readOnly={line.parts !== null}
            onChange={(event) => put(index, { text: event.target.value })}
          />
          <button type="button" className="quiet" aria-label={`Remove message ${index + 1}`} onClick={() => change(lines.filter((_, at) => at !== index))}>
            <Icon name="close" />
          </button>
        </div>
      ))}
      <button type="button" onClick={() => change([...lines, { role: "user", text: "", parts: null }])}>
        Add a message
      </button>
    </fieldset>
  );
}
