def pay(order: dict, push) -> None:
    order["paid"] = True
    push.trigger("orders", "order-paid", {"id": order["id"]})
