CREATE TABLE orders (
    id              uuid PRIMARY KEY,
    session         text NOT NULL,
    idempotency_key text NOT NULL,
    placed          timestamptz NOT NULL DEFAULT now(),
    payment         text NOT NULL,
    UNIQUE (session, idempotency_key)
);

CREATE INDEX orders_by_session ON orders (session, placed DESC);
CREATE INDEX orders_by_time ON orders (placed);

CREATE TABLE order_lines (
    order_id uuid NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    sku      text NOT NULL REFERENCES products (sku),
    name     text NOT NULL,     -- as it was on the day of the order
    quantity integer NOT NULL CHECK (quantity > 0),
    price    integer NOT NULL CHECK (price > 0),
    PRIMARY KEY (order_id, sku)
);
