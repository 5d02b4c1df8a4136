from django.urls import path

from shop import views

urlpatterns = [
    path("orders/<int:order_id>/pay", views.pay),
    path("pusher/auth", views.authorize),
    path("pusher/webhook", views.webhook),
]
