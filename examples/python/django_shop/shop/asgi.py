import os

from django.core.asgi import get_asgi_application

from pushery.asgi import PusheryApp

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")

pushery = PusheryApp(
    sqldir=os.environ.get("SHOP_REGISTRY", "appdata.sqlite"),
    auth_account="admin",
    auth_password=os.environ["SHOP_PUSH_PASSWORD"],
)
application = pushery.beside(get_asgi_application())
