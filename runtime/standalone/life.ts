/** How long a device can be used: once it is lost or given up, every call says so. */

export interface Life {
  /** Throws an Error that says why it is over, if it is. */
  check(): void;
  /** What `act` gives, or why the device was lost meanwhile: that explains the errors which follow from it. */
  during<T>(act: () => Promise<T>): Promise<T>;
  end(reason: string): void;
}

export function watchLife(device: GPUDevice): Life {
  const life = createLife();
  void device.lost.then(({ reason, message }) => {
    life.end(`the device was lost (${reason})${message === "" ? "" : `: ${message}`}; load the model on a new one`);
  });
  return life;
}

export function createLife(): Life {
  let over: string | null = null;
  const end = (reason: string): void => void (over ??= reason);
  const check = (): void => {
    if (over !== null) throw new Error(over);
  };
  return {
    check, end,
    during: async (act) => {
      check();
      try {
        return await act();
      } finally {
        check();
      }
    },
  };
}
