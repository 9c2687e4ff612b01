// A rev says up to which change something was read: the id of that change in the workspace's stream.

const split = (text) => (text ? text.split("-").map(Number) : [-1, 0]);

export function isOlder(one, other) {
  const [a, b] = [split(one), split(other)];
  return a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]);
}

export const latest = (one, other) => (isOlder(one, other) ? other : one);
