"""What every HTTP edge shares: authentication, body limits, health and the playground page."""
