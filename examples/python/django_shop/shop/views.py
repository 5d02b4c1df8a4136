from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from shop import push
from shop.models import Order


@require_POST
@transaction.atomic
def pay(request: HttpRequest, order_id: int) -> HttpResponse:
    order = get_object_or_404(Order, pk=order_id, customer_id=request.user.pk)
    order.paid = True
    order.save()
    push.after_commit(f"private-customer-{request.user.pk}", "order-paid", {"id": order.pk})
    return JsonResponse({"paid": True})


@require_POST
def authorize(request: HttpRequest) -> HttpResponse:
    """Says whether a client may subscribe: pusher-js asks here for private and presence channels."""
    channel, socket_id = request.POST.get("channel_name", ""), request.POST.get("socket_id", "")
    if not may_listen(request.user, channel):
        return HttpResponseForbidden()
    member = None
    if channel.startswith("presence-"):
        member = {"user_id": str(request.user.pk), "user_info": {"name": request.user.get_username()}}
    return JsonResponse(push.client.authenticate(channel, socket_id, member))


def may_listen(user, channel: str) -> bool:
    if not user.is_authenticated:
        return False
    return channel in (f"private-customer-{user.pk}", "presence-lobby")


@csrf_exempt  # who calls proves itself with a signature
@require_POST
def webhook(request: HttpRequest) -> HttpResponse:
    """Takes what Pushery tells: who has come, who has gone."""
    hook = push.client.validate_webhook(
        key=request.headers.get("X-Pusher-Key", ""),
        signature=request.headers.get("X-Pusher-Signature", ""),
        body=request.body.decode(),
    )
    if hook is None:
        return HttpResponseForbidden()
    for event in hook["events"]:
        happened(event)
    return HttpResponse(status=204)


def happened(event: dict) -> None:
    print(event["name"], event["channel"])
