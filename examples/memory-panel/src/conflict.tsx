/** Two people changed one memory: what each wrote, field by field, and which of it shall stand. */

import { useEffect, useRef, useState } from "react";

import { ValueDifference } from "./diff";
import { draftOf, fieldsOf, sameValue, type Draft } from "./fields";
import type { MemoryFieldsFragment } from "./gql/graphql";
import { fieldWords, When } from "./words";

interface ConflictProps {
  base: MemoryFieldsFragment;
  theirs: MemoryFieldsFragment;
  draft: Draft;
  saving: boolean;
  /** Saves these fields of the draft against their version. */
  save: (names: string[]) => void;
  back: () => void;
  close: () => void;
}

export function Conflict({ base, theirs, draft, saving, save, back, close }: ConflictProps) {
  const [chosen, choose] = useState<Record<string, "mine" | "theirs">>({});
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);

  const before = draftOf(base);
  const after = draftOf(theirs);
  const names = fieldsOf(base).map(({ name }) => name);
  const mine = names.filter((name) => !sameValue(draft[name], before[name]) && !sameValue(draft[name], after[name]));
  const contested = mine.filter((name) => !sameValue(after[name], before[name]));
  const onlyTheirs = names.filter((name) => !sameValue(after[name], before[name]) && !mine.includes(name));
  const kept = mine.filter((name) => !contested.includes(name) || chosen[name] === "mine");
  const open = contested.filter((name) => chosen[name] === undefined);
  const objects = fieldsOf(base).filter(({ kind }) => kind === "json").map(({ name }) => name);
  // A draft holds an object as the text that was typed; it has been read once already, so that it can be read.
  const shown = (name: string, value: Draft[string] | undefined): unknown => {
    if (objects.includes(name)) return typeof value === "string" && value.trim() ? (JSON.parse(value) as unknown) : {};
    if (Array.isArray(value)) return value.map(({ role, text, parts }) => `${role}: ${parts ?? text}`).join("\n");
    return typeof value === "boolean" ? (value ? "yes" : "no") : value;
  };
  const who = theirs.updatedBy ?? "Somebody";
  return (
    <form
      className="conflict"
      aria-labelledby="conflict"
      onSubmit={(event) => {
        event.preventDefault();
        if (open.length === 0 && !saving) save(kept);
      }}
    >
      <h3 id="conflict" ref={heading} tabIndex={-1}>
        Two versions of this memory
      </h3>
      <p>
        You began with version {base.version}. Meanwhile {who} saved version {theirs.version}, <When time={theirs.updatedAt} />.
        {contested.length > 0 ? " Choose what shall stand." : " You changed different things, so both can stand."}
      </p>
      {contested.map((name) => (
        <fieldset key={name} data-field={name}>
          <legend>{fieldWords(name)}</legend>
          {(["mine", "theirs"] as const).map((side) => (
            <label key={side} className="side-of" data-chosen={chosen[name] === side}>
              <span className="choice">
                <input type="radio" name={name} value={side} checked={chosen[name] === side} onChange={() => choose({ ...chosen, [name]: side })} />
                {side === "mine" ? "Mine" : `Theirs (${who})`}
              </span>
              <ValueDifference before={shown(name, before[name])} after={shown(name, side === "mine" ? draft[name] : after[name])} />
            </label>
          ))}
        </fieldset>
      ))}
      {mine.filter((name) => !contested.includes(name)).map((name) => (
        <section key={name} className="uncontested">
          <h4>{fieldWords(name)} <span className="note">only you changed it</span></h4>
          <ValueDifference before={shown(name, before[name])} after={shown(name, draft[name])} />
        </section>
      ))}
      {onlyTheirs.map((name) => (
        <section key={name} className="uncontested">
          <h4>{fieldWords(name)} <span className="note">stays as {who} wrote it</span></h4>
          <ValueDifference before={shown(name, before[name])} after={shown(name, after[name])} />
        </section>
      ))}
      <div className="actions">
        <button className="primary" disabled={open.length > 0 || saving}>
          {saving ? "Saving…" : kept.length > 0 || open.length > 0 ? `Save as version ${theirs.version + 1}` : "Keep theirs"}
        </button>
        <button type="button" onClick={back}>
          Go on editing
        </button>
        <button type="button" onClick={close}>
          Discard mine
        </button>
        {open.length > 0 && <span className="note">{open.length === 1 ? "One field is" : `${open.length} fields are`} still open.</span>}
      </div>
    </form>
  );
}
