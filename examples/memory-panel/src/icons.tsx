/** Drawn on a grid of 16, in the colour of the text around them; words beside them say the same. */

const PATHS = {
  all: "M2.5 4h11M2.5 8h11M2.5 12h7",
  SESSION: "M2.5 3.5h11v7.5h-6l-3 2.5v-2.5h-2z",
  WORKING: "M9 1.8 3.5 9H8l-1 5.2L12.5 7H8z",
  LONG_TERM: "M3.5 2.5h7a2 2 0 0 1 2 2v9h-7a2 2 0 0 1-2-2zM3.5 11.5a2 2 0 0 1 2-2h7M6 5.5h4",
  HISTORY: "M8 4.5V8l2.5 1.5M2.5 8a5.5 5.5 0 1 0 1.6-3.9L2.5 5.5v-3",
  pin: "M5.5 2.5h5M6.2 2.5l-.4 4.2-2.3 2.3h9l-2.3-2.3-.4-4.2M8 9v4.8",
  search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.4 10.4l3.4 3.4",
  edit: "m3 10.5 7.2-7.2a1.4 1.4 0 0 1 2 0l.5.5a1.4 1.4 0 0 1 0 2L5.5 13H3z",
  trash: "M2.5 4.5h11M6 4.5v-2h4v2M4 4.5l.6 9h6.8l.6-9",
  back: "M9.5 3 4.5 8l5 5",
  close: "m4 4 8 8m0-8-8 8",
  sun: "M8 10.7a2.7 2.7 0 1 0 0-5.4 2.7 2.7 0 0 0 0 5.4zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1",
  moon: "M13 9.6A5.6 5.6 0 0 1 6.4 3 5.6 5.6 0 1 0 13 9.6z",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
